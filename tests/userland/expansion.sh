# What the shell makes of words.
touch a.c b.c c.h .hidden 'with blank'
echo *.c; echo [!a]*; echo .h*; echo 'no*match' nomatch*; echo "*"
x=path/to/file.tar.gz; echo "${x##*/} ${x%%.*} ${x%.*} ${x#*/} ${#x}"
echo "${unset-default} ${unset:=assigned} $unset ${x:+set} ${x/to/from} ${x:5:2}"
(echo "${nothing:?is not there}") 2>&1; echo "status $?"
set -- one 'two three' four; echo $#; for i in "$@"; do echo "<$i>"; done; for i in $*; do echo "[$i]"; done
shift; echo "$1"; IFS=:; set -- $(echo a:b:c); echo "$2"; unset IFS
echo $((1 + 2 * 3)) $((7 / 2)) $((-7 % 3)) $((1 << 40)) $((0x1f & 017)) $((5 > 3 && 2 > 1))
i=5; echo $((i++)) $((++i)) $((i -= 2)); (echo $((1 / 0))); echo "after $?"
echo "$(echo "$(echo "$(echo deep)")")" `echo old`
echo ~root; echo {a,b}; printf '%s|' a "b c" d; echo
printf '%5d|%-5s|%05.1f|%x|%c|%b\n' 42 ab 3.14159 255 xyz 'tab\tend'
