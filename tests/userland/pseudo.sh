# Nothing can be made in /proc and /sys, each says so in its own way.
mkdir /proc/x; echo $?; mkdir /proc/self/x; echo $?; : > /proc/x; echo $?; ln -s a /proc/x; echo $?; mknod /proc/x p; echo $?
echo f > f; ln f /proc/x; echo $?; mv f /proc/x; echo $?; rmdir /proc/x; echo $?; rm /proc/x; echo $?
mkdir /sys/x; echo $?; : > /sys/x; echo $?; ln -s a /sys/x; echo $?; mkdir /proc/nosuch/x; echo $?; mkdir /proc/version/x; echo $?
mkdir /proc/self; echo $?; mkdir /proc/version; echo $?
