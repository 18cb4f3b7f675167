# Loops, cases, functions, options.
for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done
i=0; until [ $i -ge 3 ]; do i=$((i + 1)); [ $i = 2 ] && break; done; echo $i
case abc in a) echo no;; a*|x) echo yes;; esac
f() { local x=inner; echo "$x $1"; return 7; }
x=outer; f argument; echo "$? $x"
while getopts ab:c word -a -b value -c rest; do echo "$word $OPTARG"; done
fact() { [ "$1" -le 1 ] && echo 1 || echo $(($1 * $(fact $(($1 - 1))))); }; fact 12
(set -e; false; echo unreached); echo "status $?"
(set -u; echo $undefined) 2> /dev/null; echo "status $?"
trap 'echo leaving' EXIT; (trap 'echo inner leaving' EXIT; exit 3); echo $?
eval 'a=1; b=2'; echo $((a + b)); if ! false; then echo not; fi
[ -n "" ]; echo $?; [ 3 -gt 2 -a x = x ]; echo $?; test ! -e nosuch; echo $?
command -v cd; type cd; alias ll='ls -l'; alias ll; unset x; echo "${x-gone}"
read -r one two rest <<X
1 2 3 4 5
X
echo "$rest $two $one"; . /dev/null; echo $?; times > /dev/null; echo $?
i=0; while :; do i=$((i + 1)); [ $i -gt 20000 ] && break; done; echo $i
