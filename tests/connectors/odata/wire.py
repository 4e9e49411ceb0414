"""A server of bare sockets: it sees the request line, the connections and the cuts, and answers as slowly as it likes."""

import datetime
import socket
import ssl
import threading
from collections.abc import Callable
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from synccore.connectors.odata.client import Client
from synccore.connectors.odata.profile import Profile


class Port:
    """A port of this machine: ``talk`` is given every connection, in a thread of its own.

    ``received``: bytes that the system takes before anybody reads them, where it is to be few. Raises OSError where this
    machine has no such ``host``.
    """

    def __init__(
        self, talk: Callable[[socket.socket], None], host: str = "127.0.0.1", received: int | None = None
    ):
        self.talk = talk
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.listener = socket.create_server((host, 0), family=family)
        if received:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, received)
        self.address = self.listener.getsockname()[:2]
        self.number = self.address[1]
        self.over = threading.Event()
        self.server = threading.Thread(target=self._serve, daemon=True)
        self.server.start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            if self.over.is_set():
                connection.close()
                return
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def close(self):
        """Nobody waits here any more. Closed alone, the socket would stay with who waits for a connection, and he might be
        given those of the test that gets its number next."""
        self.over.set()
        with socket.socket(self.listener.family) as last:
            last.connect(self.address)
        self.server.join()
        self.listener.close()


class Wire:
    """Answers every request on one port with ``answer``; keeps the request lines and counts connections.

    ``tls``: the server's side of encryption, where it is spoken.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"):
        self.lines = []
        self.heads = []
        self.connections = 0
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        self.pieces = None  # (bytes, pause) … instead of the answer
        self.hang_up = 0
        self.closes = False  # after each answer
        self.tls = tls
        self._port = Port(self._take, host)
        self.port = self._port.number

    @property
    def root(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/data/"

    def _take(self, connection):
        self.connections += 1
        self._talk(connection)

    def _talk(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls:
            connection = self.tls.wrap_socket(connection, server_side=True)
        with connection, connection.makefile("rb") as incoming:
            while line := incoming.readline():
                self.lines.append(line.rstrip())
                head = b"".join(iter(incoming.readline, b"\r\n")).lower()
                self.heads.append(head)
                if b"content-length: " in head:
                    incoming.read(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                if self.hang_up:
                    self.hang_up -= 1
                    return
                for piece, pause in self.pieces or [(self.answer, 0)]:
                    try:
                        connection.sendall(piece)
                    except OSError:
                        return
                    self._port.over.wait(pause)
                if self.closes:
                    return

    def close(self):
        self._port.close()


def client(wire: Wire, **more) -> Client:
    return Client(Profile(), app="Sales", root=wire.root, **more)


def own_authority(folder) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Encryption for this machine: of a server, and of who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, ssl.create_default_context(cafile=str(file))
