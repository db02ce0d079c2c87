# A C program is configured, built, tested, installed into /usr/local.
mkdir -p /srv/c && cd /srv/c
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo "int f$i(int x) { return x + $i; }" > f$i.c; done
{ echo '#include <stdio.h>'; for i in 1 2 3 4 5; do echo "int f$i(int);"; done; echo 'int main(void) { return f1(f2(f3(f4(f5(1))))) != 16; }'; } > main.c
cat > configure <<'X'
#!/bin/sh
for h in stdio.h stdlib.h string.h unistd.h sys/types.h pthread.h; do
  echo "#include <$h>
int main(void) { return 0; }" > conftest.c
  gcc conftest.c -o conftest && ./conftest && echo "checking for $h... yes"
  rm -f conftest conftest.c
done
touch -r main.c stamp
X
chmod +x configure && ./configure
cat > Makefile <<'X'
OBJ := $(patsubst %.c,%.o,$(wildcard *.c))
prog: $(OBJ)
	gcc -o $@ $(OBJ)
check: prog
	./prog
install: prog
	install -D -m 755 prog $(DESTDIR)/usr/local/bin/prog
clean:
	rm -f prog *.o
X
make -s -j2 check
make -s install
gdb --version || true
strip prog
make -s clean
