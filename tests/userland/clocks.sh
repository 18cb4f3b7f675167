# Dates and waiting.
export TZ=UTC
date -d @0 '+%Y-%m-%d %H:%M:%S %a %j'; date -d @1700000000 +%c; date -u -d '2026-01-01 00:00:00' +%s; TZ=CET-1 date -d @0 +%H
a=$(date +%s); sleep 1; b=$(date +%s); [ $((b - a)) -ge 1 ] && [ $((b - a)) -le 5 ] && echo slept; [ "$a" -gt 1700000000 ] && echo now
sleep 0; echo $?; sleep 0.05; echo $?; usleep 1000; echo $?; sleep x; echo $?; (sleep 0.2; echo second) & echo first; wait
touch -d @1000 a; touch b; [ b -nt a ] && echo newer; [ a -nt b ] || echo older; touch -d @86400 c; stat -c %Y c; touch -r c d; stat -c %Y d; time true 2>&1 | grep -c .
for i in 3 1 2; do (sleep 0.$i; echo $i) & done; wait; date -d nonsense; echo $?
