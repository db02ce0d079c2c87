# What an administrator does, and what cron does every day.
useradd -m -s /bin/bash bob
echo bob:Correct-Horse-7 | chpasswd
usermod -aG sudo bob
groupadd ops; gpasswd -a bob ops
passwd -S bob; chage -l bob
su - bob -c 'id; ls -la; echo "alias ll=\"ls -l\"" > notes; crontab -l; true'
echo '0 3 * * * true' | crontab -u bob -
crontab -u bob -l
visudo -c
sudo -u bob id
sudo -l
EDITOR=true visudo; EDITOR=true crontab -e; EDITOR=true vipw
adduser --disabled-password --gecos '' carol; deluser --remove-home carol
passwd -l bob; passwd -u bob; chsh -s /bin/sh bob
userdel -r bob
update-alternatives --list editor; dpkg-reconfigure -f noninteractive tzdata
python3 -m venv /srv/venv && /srv/venv/bin/python -m pip --version
vi -es -c 'wq' /srv/notes.txt; tmux -L noise new-session -d 'sleep 1'; tmux -L noise ls
eval $(ssh-agent) && ssh-agent -k
gpg --version; getent passwd root; lsattr /srv; stat /etc/shadow; md5sum /bin/ls; sha256sum /usr/bin/*
ps aux; top -bn1; free; df -h; mount; ip addr; ss -tlnp; lsof -p $$ ; dmesg; uptime; w; last
journalctl -n 5; systemctl status
sysctl kernel.pid_max; sysctl -a
cat /etc/passwd /etc/group /etc/hosts /etc/os-release
find /etc -name '*.conf' ; find / -xdev -size +50M; du -sh /usr/share
grep -r listen /etc/nginx
tar czf /srv/backup.tgz /etc/nginx /srv/www /usr/share/doc/nginx*
rsync -a /etc/nginx/ /srv/nginx-copy/
sed -i 's/^#.*worker/&/' /etc/nginx/nginx.conf
cp -p /etc/hosts /srv/hosts; mv /srv/hosts /srv/hosts.bak
ssh-keygen -q -t ed25519 -N '' -f /srv/id_test
openssl rand -hex 16; date; hostname; env
sh -c 'echo $PATH'; python3 -c 'print(1)'; perl -e 'print 1'
run-parts --test /etc/cron.daily; run-parts --regex '^(dpkg|logrotate|man-db)$' /etc/cron.daily # apt's job sleeps for minutes
logrotate -f /etc/logrotate.conf
strace -c true; ldd /bin/ls; file /bin/ls
kill -0 $$; nice true; timeout 5 sleep 0.1; nohup true
mkdir /mnt/t && mount -t tmpfs t /mnt/t && touch /mnt/t/x && umount /mnt/t
dd if=/dev/zero of=/srv/disk.img bs=1M count=8; mke2fs -q -F /srv/disk.img
iptables -L -n; nft list ruleset; lsmod; lsblk; blkid
cron -f & c=$!; sleep 2; kill $c
