# Jobs in the background: waited for, killed, and what they leave behind. When the shell reports deaths is chance.
exec 2> /dev/null
(sleep 0.1; exit 5) & wait $!; echo "status $?"
sleep 100 & kill $!; wait $!; echo "killed $?"
sleep 100 & kill -9 $!; wait $!; echo "killed $?"
sleep 100 & kill -HUP $!; wait $!; echo "hung up $?"
(echo one > one; sleep 0.1; echo two >> one) & wait; cat one
for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.0$i; echo done $i > job.$i) & done
wait; cat job.* | sort -k 2n
wait; echo "nothing to wait for: $?"
wait 999999; echo "no such child: $?"
sh -c 'sleep 0.1 & exit 0'; echo "the parent goes first: $?"
cat < /dev/null & wait $!; echo "input $?"
(kill -STOP $(sh -c 'echo $PPID'); echo continued) & job=$!
sleep 0.2; kill -CONT $job; wait $job; echo "went on $?"
