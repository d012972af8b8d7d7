# A PDF file with one signature over all of it (ISO 32000-1, 12.8.1), signed by OpenSSL.
import subprocess
SIZE = 8192
head = b"%%PDF-1.7\n1 0 obj\n<</Type/Catalog/AcroForm<</SigFlags 3/Fields[2 0 R]>>>>\nendobj\n2 0 obj\n<</Type/Annot/FT/Sig/V 3 0 R>>\nendobj\n3 0 obj\n<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/ByteRange [%s]/Contents "
tail = b">>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n"
place = b"0000000000 0000000000 0000000000 0000000000"
before = len(head % place)
after = before + SIZE + 2
numbers = b"%010d %010d %010d %010d" % (0, before, after, len(tail))
covered = head % numbers
open("covered", "wb").write(covered + tail)
subprocess.run(["openssl", "cms", "-sign", "-binary", "-in", "covered", "-outform", "DER", "-signer", "court.pem",
    "-inkey", "court.key", "-out", "pdf.p7s", "-md", "sha256"], check=True)
cms = open("pdf.p7s", "rb").read().hex().encode()
open("order.pdf", "wb").write(covered + b"<" + cms.ljust(SIZE, b"0") + b">" + tail)
