# Files that name their interpreter.
printf '#!/bin/busybox sh\necho "script $0 $#"\n' > s; chmod +x s; ./s a b
printf '#!/bin/busybox cat\nshown\n' > e; chmod +x e; ./e; echo $?; ./e e | wc -l
printf '#!  /bin/busybox   sh  \necho blanks\n' > b; chmod +x b; ./b
printf '#!/bin/busybox basename\n' > a; chmod +x a; ./a x y
printf '#!/no/such/interpreter\n' > n; chmod +x n; ./n; echo $?
printf 'echo no first line\n' > p; chmod +x p; ./p; echo $?
printf '#!./s\n' > nested; chmod +x nested; ./nested; echo $?
: > empty; chmod +x empty; ./empty; echo $?; chmod -x s; ./s; echo $?; sh s c; ./; echo $?
printf '#!\n' > nothing; chmod +x nothing; ./nothing; echo $?; env -i ./b; env A=1 sh -c 'echo $A'; env | grep -c .
x=$(seq 5000 | tr '\n' ' '); sh -c 'echo $#' sh $x; sh -c 'echo ${#1}' sh "$x"; exec sh -c 'echo replaced; exit 6'
