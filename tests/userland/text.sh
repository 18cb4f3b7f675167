# The small tools for text.
printf 'b 2\na 10\nc 1\na 9\n' > f
sort f; sort -k2n f; sort -r -k1,1 -k2,2n f; sort -u -k1,1 f; sort -t' ' -k2 -n -r f | head -n 1
cut -d' ' -f2 f | sort -n | uniq -c | wc -l; cut -c1-2 f | tr a-c A-C; tr -d '0-9\n' < f; echo
paste f f | head -n 1; paste -s -d, f; nl f; tac f; rev f; fold -w 2 f | head -n 3
head -n 2 f; tail -n 2 f; tail -n +3 f; head -c 5 f; echo; tail -c 5 f; wc f; wc -l < f
od -c f | head -n 2; od -An -tx1 f | head -n 1; hexdump -C f | head -n 2; xxd f | head -n 1
printf 'a\tb\n' | expand -t 4; printf '        x\n' | unexpand; grep -c a f; grep -n 1 f; grep -v a f; grep -E 'a|c' -o f
grep -q zzz f; echo $?; grep x nosuch; echo $?; printf 'A\na\n' | grep -i a | wc -l; strings /bin/busybox | grep -c . > /dev/null && echo strings
basename /a/b.c .c; dirname /a/b.c; seq -s, 5; seq 1 2 9 | tr '\n' ' '; echo; yes no | head -n 2
expr 3 + 4; expr abc : 'a\(.\)'; expr length hello; factor 1234567; echo '2^64; scale=5; 1/3' | bc; echo '2 3 + p' | dc
comm_a=1; printf 'x y z' | xargs -n 1 echo item; printf 'dos\r\n' | dos2unix | od -c; printf 'crlf\n' | unix2dos | od -c
shuf -i 1-100 | sort -n | md5sum; split_me=$(seq 100 | wc -c); echo $split_me; cal 1 2000 | head -n 3; ascii 2> /dev/null | md5sum
diff f f && echo equal; sort f > g; diff f g; echo $?; cmp f g; echo $?; diff -u f g | tail -n +3
