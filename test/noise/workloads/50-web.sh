# A web server serves load, with a reload and a rotation of its logs in between.
nginx -t
nginx
for i in $(seq 1 300); do curl -s -o /dev/null http://127.0.0.1/; done
nginx -s reload
logrotate -f /etc/logrotate.d/nginx
for i in $(seq 1 100); do curl -s -o /dev/null http://127.0.0.1/missing; done
mkdir -p /srv/www && cd /srv/www && echo hello > index.html
busybox httpd -f -p 127.0.0.1:8088 -h /srv/www & h=$!
sleep 0.5
for i in $(seq 1 50); do busybox wget -q -O /dev/null http://127.0.0.1:8088/index.html; done
kill $h
nginx -s stop
