# Authorities and certificates for the tests of the portal, made in the current folder.
set -eu

cat > ext <<END
[ca]
basicConstraints = critical, CA:true
keyUsage = keyCertSign, cRLSign
[client]
extendedKeyUsage = clientAuth
[server]
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
[issuing]
database = index.txt
new_certs_dir = .
serial = serial
default_md = sha256
policy = any
[any]
commonName = supplied
END

key() { openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1"; }
authority() { key "$1"; openssl x509 -req -in "$1.csr" -signkey "$1.key" -days 30 -extfile ext -extensions ca -out "$1.pem"; }
issue() { key "$1"; openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 -extfile ext -extensions "$3" -out "$1.pem"; }

authority ca
authority other-ca
issue server ca server
for name in shanghai tianjin icbc operations unlisted; do issue "$name" ca client; done
issue stranger other-ca client
key expired
: > index.txt
echo 1000 > serial
openssl ca -batch -notext -config ext -name issuing -cert ca.pem -keyfile ca.key -extensions client \
    -in expired.csr -out expired.pem -startdate 20200101000000Z -enddate 20200201000000Z
