#!/bin/bash
# local test CA + one P-256 certificate per test domain (SAN covers the service subdomains); all servers of a
# benchmark use the same one, so that handshakes cost the same arithmetic everywhere
cd "$(dirname "$0")"
[ -f ca.key ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout ca.key -out ca.pem -subj '/CN=XMPP test CA' -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
mk() { d=$1; shift; san="DNS:$d"; for s in conference muc upload pubsub proxy search; do san="$san,DNS:$s.$d"; done
 [ $d = localhost ] && san="$san,IP:127.0.0.1,IP:::1"
 openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $d.key -out $d.csr -subj "/CN=$d" 2>/dev/null
 openssl x509 -req -in $d.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -out $d.crt -extfile <(printf "subjectAltName=$san\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature,keyEncipherment\n") 2>/dev/null
 cat $d.crt ca.pem > $d.chain.crt; cat $d.crt ca.pem $d.key > $d.pem; chmod 644 $d.*; }
for d in localhost prosody.example ejabberd.example ours.example; do mk $d; done
# CA-less single self-signed one, for 'self-signed' tests
[ -f self.crt ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -keyout self.key -out self.crt -subj '/CN=localhost' -addext subjectAltName=DNS:localhost 2>/dev/null
