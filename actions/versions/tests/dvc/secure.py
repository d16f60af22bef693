"""A server that keeps what is sent to it, over TLS, for whoever gives the right name and password.

Usage: secure.py FOLDER CERTIFICATE KEY PORT
"""

import base64
import http.server
import os
import ssl
import sys

folder, certificate, key, port = sys.argv[1:]
EXPECTED = "Basic " + base64.b64encode("ada:p:ss word".encode()).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=b"", length=None):
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="data"')
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def place(self):
        if self.headers.get("Authorization") != EXPECTED:
            self.close_connection = True
            self.answer(401)
            return None
        return os.path.join(folder, self.path.lstrip("/"))

    def do_GET(self):
        place = self.place()
        if place is None:
            return
        if not os.path.isfile(place):
            self.answer(404)
            return
        with open(place, "rb") as file:
            body = file.read()
        if self.command == "HEAD":
            self.answer(200, length=len(body))
        else:
            self.answer(200, body)

    do_HEAD = do_GET

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def do_POST(self):
        place = self.place()
        if place is None:
            return
        body = self.body()
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "wb") as file:
            file.write(body)
        self.answer(200)

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
