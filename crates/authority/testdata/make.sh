set -e
# Certificates and signatures for the tests of this crate, made by OpenSSL 3.0 (Debian 13).
# `faketime` is not needed: certificates say their own times. Run in an empty folder.
ca() { # name, key options
  openssl req -x509 -newkey $2 -nodes -keyout $1.key -out $1.pem -subj "/C=DE/O=Test/CN=$1" -days 3650 \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null
}
leaf() { # name, key options, ca, usage, more options of openssl x509
  openssl req -newkey $2 -nodes -keyout $1.key -out $1.csr -subj "/C=DE/O=Court/CN=$1" 2>/dev/null
  printf "basicConstraints=CA:FALSE\nkeyUsage=critical,$4\n" > ext
  openssl x509 -req -in $1.csr -CA $3.pem -CAkey $3.key -CAcreateserial -out $1.pem -extfile ext -days 3650 $5 2>/dev/null
}
printf 'The pages are to be blocked.\n' > order.txt
ca root "rsa:2048"
ca other "rsa:2048"
ca ecroot "ec -pkeyopt ec_paramgen_curve:P-384"
leaf court "rsa:2048" root digitalSignature
leaf eccourt "ec -pkeyopt ec_paramgen_curve:P-256" ecroot nonRepudiation
leaf cipher "rsa:2048" root keyEncipherment
leaf small "rsa:1024" root digitalSignature
leaf brainpool "ec -pkeyopt ec_paramgen_curve:brainpoolP256r1" root digitalSignature
openssl req -newkey rsa:2048 -nodes -keyout middle.key -out middle.csr -subj "/CN=middle" 2>/dev/null
printf "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n" > ext
openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -CAcreateserial -out middle.pem -extfile ext -days 3650 2>/dev/null
leaf below "rsa:2048" middle digitalSignature
# Not a CA, and signs a certificate nevertheless.
leaf forged "rsa:2048" court digitalSignature
# Bears the root's name with another key.
openssl req -x509 -newkey rsa:2048 -nodes -keyout fake.key -out fake.pem -subj "/C=DE/O=Test/CN=root" -days 3650 -addext basicConstraints=critical,CA:TRUE 2>/dev/null
leaf faked "rsa:2048" fake digitalSignature
# The root's name with a key of another kind.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout ecnamed.key -out ecnamed.pem \
  -subj "/C=DE/O=Test/CN=root" -days 3650 -addext basicConstraints=critical,CA:TRUE 2>/dev/null
# Below it no issuer may stand, and one does.
openssl req -x509 -newkey rsa:2048 -nodes -keyout short.key -out short.pem -subj "/C=DE/O=Test/CN=short" -days 3650 \
  -addext basicConstraints=critical,CA:TRUE,pathlen:0 -addext keyUsage=critical,keyCertSign 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout between.key -out between.csr -subj "/CN=between" 2>/dev/null
printf "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n" > ext
openssl x509 -req -in between.csr -CA short.pem -CAkey short.key -CAcreateserial -out between.pem -extfile ext -days 3650 2>/dev/null
leaf near "rsa:2048" short digitalSignature
leaf far "rsa:2048" between digitalSignature
# A root and an issuer below it, each renewed: the same name and key, in a certificate that runs out on
# 29 December 2026 and in one that does not. The former ones are the shorter ones, and so stand first in a set.
ca renewed "ec -pkeyopt ec_paramgen_curve:P-384"
openssl req -x509 -new -key renewed.key -out former.pem -subj "/C=DE/O=Test/CN=renewed" -days 30 \
  -addext basicConstraints=critical,CA:TRUE 2>/dev/null
leaf twin "ec -pkeyopt ec_paramgen_curve:P-256" renewed digitalSignature
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -keyout issuer.key -out issuer.csr -subj "/CN=issuer" 2>/dev/null
printf "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n" > ext
openssl x509 -req -in issuer.csr -CA renewed.pem -CAkey renewed.key -CAcreateserial -out issuer.pem -extfile ext -days 3650 2>/dev/null
printf "basicConstraints=critical,CA:TRUE\n" > ext
openssl x509 -req -in issuer.csr -CA renewed.pem -CAkey renewed.key -CAcreateserial -out issuer30.pem -extfile ext -days 30 2>/dev/null
cat issuer30.pem issuer.pem > issuers.pem
leaf twins "ec -pkeyopt ec_paramgen_curve:P-256" issuer digitalSignature
sign() { # out, signer, more
  openssl cms -sign -binary -in order.txt -outform DER -signer $2.pem -inkey $2.key -out $1.p7s ${@:3}
}
sign court court -md sha256
sign court512 court -md sha512
sign pss court -md sha256 -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:digest
sign psslong court -md sha256 -keyopt rsa_padding_mode:pss
sign ski court -md sha256 -keyid
sign sha1 court -md sha1
sign plain court -md sha256 -noattr
sign whole court -md sha256 -nodetach
sign ec eccourt -md sha256
sign cipher cipher -md sha256
sign small small -md sha256
sign brainpool brainpool -md sha256
sign below below -md sha256 -certfile middle.pem
sign forged forged -md sha256 -certfile court.pem
sign faked faked -md sha256
sign near near -md sha256
sign far far -md sha256 -certfile between.pem
sign twin twin -md sha256
sign twins twins -md sha256 -certfile issuers.pem
sign twins30 twins -md sha256 -certfile issuer30.pem
