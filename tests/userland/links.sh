# Links of both kinds.
mkdir -p d/e; echo text > d/f; ln -s f d/s; ln -s d l; ln -s ../d/f d/up; ln -s l/../d/./e/../s twisty; cat d/s l/s d/up twisty
ln -s a b; ln -s b a; cat a; echo $?; ls -L a; [ -e a ]; echo $?; [ -L a ]; echo $?; readlink a
i=0; echo end > n0; while [ $i -lt 39 ]; do ln -s n$i n$((i + 1)); i=$((i + 1)); done; cat n39; ln -s n39 n40; cat n40; ln -s n40 n41; cat n41; echo $?
ln d/f hard; echo more >> hard; cat d/f; stat -c %h hard; rm d/f; cat hard; stat -c %h hard; cat d/s; echo $?
ln -s nosuch dangling; [ -e dangling ]; echo $?; echo made > dangling; cat nosuch; rm dangling; ls nosuch; cd l; ls; cd ..; ls l/ | wc -l; rm l/; echo $?; rm l; ls d
ln -s x x; rm x; ln d dhard; echo $?; ln -sf e d/s; readlink d/s; cp -P d/up copied; readlink copied; ln -s '' empty; echo $?; mv d/s moved; readlink moved; realpath hard | sed 's/.*\///'
