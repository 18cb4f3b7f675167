# Named pipes.
mkfifo p q; stat -c '%F %a' p; echo hello > p & cat p; wait
seq 10000 > p & md5sum < p; wait; cat p > out & echo one > p; wait; cat out
(while read -r line; do echo "answer $line"; done < p > q) & exec 3> p; exec 4< q
echo 1 >&3; read -r a <&4; echo "$a"; echo 2 >&3; read -r a <&4; echo "$a"; exec 3>&-; read -r a <&4; echo "end $?"; exec 4<&-; wait
[ -p p ] && echo fifo; rm p q; ls
