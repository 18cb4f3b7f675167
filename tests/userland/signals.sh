# Signals as the shell sees them.
sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -KILL $$'; echo $?; sh -c 'kill -SEGV $$'; echo $?; sh -c 'kill -PIPE $$'; echo $?
sh -c 'trap "echo caught" TERM; kill -TERM $$; echo after'; sh -c 'trap "" TERM; kill -TERM $$; echo survived'
sh -c 'trap "echo usr1" USR1; trap "echo usr2" USR2; kill -USR1 $$; kill -USR2 $$; kill -USR1 $$; echo end'
sh -c 'trap "exit 9" TERM; while :; do sleep 0.05; done' & sleep 0.3; kill $! ; wait $! 2> /dev/null; echo $?
sh -c 'trap "echo bye" EXIT; exit 4'; echo $?; sh -c 'trap "echo int" INT; kill -INT $$; echo after int'
timeout 0.2 sleep 10; echo $?; timeout 5 true; echo $?; timeout -s KILL 0.2 sleep 10; echo $?
kill -l 15; kill -l TERM; sh -c 'ulimit -c 0; kill -ABRT $$'; echo $?
sh -c 'sleep 10 & p=$!; kill -STOP $p; kill -CONT $p; kill $p; wait $p; echo $?'
sh -c 'trap "echo child" CHLD; true & wait; :' | tail -n 1
sh -c 'trap "" PIPE; (trap "" PIPE; for i in 1 2 3 4 5 6 7 8; do seq 20000 || break; done; echo "writer $?" >&2) | true' 2>&1 | tail -n 1 | cut -c1-6
sh -c 'trap "echo again; trap - TERM; kill -TERM $$" TERM; kill -TERM $$; echo unreached'; echo $?
