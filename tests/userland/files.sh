# Files and folders: made, copied, moved, removed, and what they say of themselves.
umask 022; mkdir -p a/b/c; echo text > a/b/c/f; chmod 640 a/b/c/f
stat -c '%n %a %h %F' a; stat -c '%n %a %s %h %F' a/b/c/f; cp a/b/c/f g; stat -c '%a' g; cp -p a/b/c/f h; stat -c '%a' h
touch -d '2001-02-03 04:05:06' g; stat -c '%Y' g; cp -p g g2; stat -c '%Y' g2; cp -r a z; find z | sort
mv z/b y; ls y z; ln g link; stat -c '%h' g link; ln -s g soft; readlink soft; stat -c '%F %s' soft; cat soft
rm link; stat -c '%h' g; rm -r a y z; ls; mkdir d; mkdir d; echo $?; rmdir nosuch; echo $?; touch d/x; rmdir d; echo $?
dd if=/dev/zero of=hole bs=1 count=1 seek=1000000 2> /dev/null; stat -c '%s' hole; md5sum hole
truncate -s 10 hole; stat -c '%s' hole; truncate -s 5000 hole; od hole; [ g -nt g2 ]; echo $?; [ g -ef soft ]; echo $?
for t in -e -f -d -L -r -w -x -p; do [ $t soft ]; printf '%s%s ' $t $?; [ $t d ]; printf '%s ' $?; done; echo
chmod u=rwx,g=rx,o= g; stat -c %A g; chmod +t d; stat -c %A d; chmod 4755 g; stat -c %A g; chmod -x g; stat -c %A g
ls -1 | wc -l; ls -a d; ls -F; ls -d d; ls -l g2 | awk '{ print $1, $2, $3, $5, $6, $7, $8, $9 }'
mv g d/; mv d/g d/g3; ls d; mv nosuch d; echo $?; cp d e; echo $?; cp -r d d/in 2>&1 | head -n 1; rm -rf d; ls
: > '-dash'; rm -- -dash; : > 'new
line'; ls | cat | wc -l; rm 'new
line'; i=0; mkdir many; while [ $i -lt 300 ]; do : > many/$i; i=$((i + 1)); done; ls many | wc -l; rm many/1*; ls many | wc -l; rm -r many
install_dir=deep; p=.; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do p=$p/$install_dir; done; mkdir -p $p; cd $p; echo x > f; cd - > /dev/null; find deep -name f | wc -c
