# Redirection of descriptors, and what a full or missing file says.
echo one > f; echo two >> f; cat f
cat < f > g; cmp f g && echo same
ls nosuch 2> err || cat err
{ echo a; echo b >&2; } > both 2>&1; cat both
exec 3> third; echo through three >&3; exec 3>&-; cat third
(echo closed >&3) 2>&1
exec 4< f; read -r x <&4; read -r y <&4; echo "$y $x"; exec 4<&-
echo 123456789 > rw; exec 5<> rw; read -r x <&5; echo tail >&5; exec 5>&-; cat rw
set -C; (echo no > f) 2>&1; echo "status $?"; echo yes >| f; cat f; set +C
echo full > /dev/full; echo "status $?"
cat < nosuch; echo "status $?"
echo x > nosuch/file; echo "status $?"
echo x > .; echo "status $?"
: > empty; wc -c < empty
seq 5 | tee a b | wc -l; cat a b | wc -l
exec 6>&1; exec > saved; echo hidden; exec >&6; cat saved
cat f - < g
