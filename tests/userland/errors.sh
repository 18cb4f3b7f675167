# What tools say about errors: the kernel's codes as words.
exec 2>&1
echo x > file; mkdir folder; echo y > folder/inside; ln -s loop loop; ln -s nowhere dangling
cat nosuch; cat folder; cat loop; cat dangling; cat file/x; cat ''; ls nosuch; cd file; cd nosuch
mkdir folder; mkdir file/x; mkdir nosuch/x; rmdir folder; rmdir file; rm folder; rm nosuch; rm -r file/x
ln file folder/inside; ln folder other; ln -s x file; mv folder file; mv file nosuch/x; mv folder folder/inside2; cp file nosuch/x; cp nosuch x
touch nosuch/x; chmod 600 nosuch; readlink file; readlink nosuch; echo x > folder; ./file; ./nosuch; ./folder; nosuchcommand; echo $?
./file; echo $?; ./folder; echo $?; chmod +x file; ./file; echo $?; printf 'not a program\001\002' > bad; chmod +x bad
dd if=file of=/dev/full; echo $?; mount -t nosuchfs none folder > /dev/null; [ $? -ne 0 ] && echo not mounted
long=$(printf '%0300d' 0); cat $long > /dev/null; echo $?; echo x > $long; echo $?; very=$(printf '%05000d' 0); cat $very | head -c 1
kill -0 999999; kill 0x; kill -99 $$; kill -TERM 999999; echo $?
mknod fifo p; stat -c %F fifo; mknod null c 1 3; cat null; mknod weird c 250 250; cat weird; chown root:root file; echo $?
tail -c 5 folder; head folder; wc folder; cmp file folder; tar cf x.tar nosuch; echo $?
