# find and xargs.
mkdir -p t/a t/b/c; echo 1 > t/a/one.c; echo 22 > t/b/two.c; echo 333 > t/b/c/three.h; ln -s ../a t/b/link; chmod 600 t/a/one.c
touch -d '2001-01-01 00:00:00' t/a/one.c
find t | sort; find t -name '*.c' | sort; find t -type d | sort; find t -type l; find t -type f -size -2 | sort | wc -l
find t -perm 600; find t -newer t/a/one.c -type f | sort; find t -name '*.c' -exec cat {} \; | sort; find t -type f -exec echo {} + | wc -w
find t -maxdepth 1 | sort; find t -name c -prune -o -type f -print | sort; find t \( -name '*.h' -o -name one.c \) | sort
find t -type f -print0 | xargs -0 cat | sort; find t -type f | sort | xargs -n 1 basename; find t -empty; find nosuch; echo $?
seq 1 2000 | xargs | md5sum; seq 1 2000 | xargs -n 100 | wc -l; echo a b c | xargs -n 1 sh -c 'echo "[$0]"'; echo x | xargs -I % echo a%b
false | xargs false; echo $?; echo 1 | xargs sh -c 'exit 3'; echo $?; printf '%s\n' 'a b' "c'd" | xargs -0 printf '<%s>' | wc -c
find t -type f -exec rm {} +; find t | sort; find t -depth -type d -exec rmdir {} \; 2>&1 | sort | head -n 2; find t | sort
