# What /proc tells a process of itself.
cat /proc/self/comm; tr '\0' ' ' < /proc/self/cmdline; echo; readlink /proc/self/exe | sed 's/.*\///'; grep -c . /proc/self/maps > /dev/null && echo maps
sh -c 'grep "^Name:" /proc/$$/status; grep "^PPid:" /proc/self/status | cut -f2 | grep -c "^$$\$"'; [ -d /proc/1 ] && echo one; [ -d /proc/999999 ] || echo none
cut -d' ' -f2,3 /proc/self/stat; [ "$(readlink /proc/self)" -gt 0 ] && echo self; mkdir d; cd d; readlink /proc/self/cwd | sed 's/.*\///'; cd ..
exec 3< /dev/null; readlink /proc/$$/fd/3; exec 3<&-; ls /proc/self/fd | head -n 3; [ -n "$(cut -d' ' -f1 /proc/uptime)" ] && echo uptime
for f in meminfo stat uptime loadavg version cpuinfo mounts filesystems; do [ -s /proc/$f ] || [ -n "$(cat /proc/$f)" ] && echo $f; done
grep -q MemFree: /proc/meminfo && echo memory; echo x > /proc/version; echo $?; cat /proc/nosuch; echo $?; ps > /dev/null; echo $?; ps | grep -c '[p]s$'
sleep 5 & until grep -q sleep /proc/$!/comm; do :; done; pidof sleep | grep -q $! && echo found; tr '\0' ' ' < /proc/$!/cmdline; echo; { kill $!; wait $!; } 2> /dev/null; echo $?; free > /dev/null; echo $?; uptime > /dev/null; echo $?
