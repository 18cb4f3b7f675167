# Many processes, deep and wide.
i=0; while [ $i -lt 200 ]; do (exit $((i % 100))) || [ $? = $((i % 100)) ] || echo wrong $i; i=$((i + 1)); done; echo $i
deep() { [ "$1" = 0 ] && echo bottom || (deep $(($1 - 1))); }; deep 40
i=0; while [ $i -lt 60 ]; do sleep 0.2 & i=$((i + 1)); done; wait; echo waited
x=$(for i in 1 2 3 4 5 6 7 8; do echo $(echo $(echo $i)); done); echo $x; sh -c 'sh -c "sh -c \"exit 42\""'; echo $?
echo 'exit 7' | sh; echo $?; sh -c 'exec false'; echo $?; sh -c 'echo $$' | grep -c '^[0-9]*$'; sh -c 'exit 256'; echo $?; sh -c 'exit -1' 2> /dev/null; echo $?
(cd /; exit 0); a=1; (a=2); echo $a; export B=3; sh -c 'B=4'; echo $B; umask 027; sh -c umask; nice -n 0 echo nice 2> /dev/null || echo nice
setsid true; echo $?; env -i sh -c 'set' | grep -c '^A='; nproc > /dev/null; echo $?; id -u; whoami; time -f %x sh -c 'exit 3' 2>&1 | tail -n 1; (ulimit -n 20; ulimit -n); (ulimit -n 10; sh -c 'exec 9>x && echo nine; exec 10>y' 2> /dev/null; echo $?)
