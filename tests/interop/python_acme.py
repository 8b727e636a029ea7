"""Debian's python3-acme as a library: python_acme.py COMMAND DIRECTORY FOLDER [ARG...].

life NAME PORT     register, obtain by http-01 on PORT, change the contact, renew, revoke
revoke PEM CHAIN   revoke the first certificate of CHAIN with the account key in PEM
Writes first.pem and chain.pem into FOLDER.
"""
import sys
import pathlib

import josepy as jose
from acme import challenges, client, crypto_util, messages, standalone
from acme import errors as acme_errors
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
import OpenSSL


def connect(directory, key, algorithm):
    """A client for the account key."""
    net = client.ClientNetwork(key, alg=algorithm, user_agent="nfacme-interop")
    found = messages.Directory.from_json(net.get(directory).json())
    return client.ClientV2(found, net=net)


def obtain(acme, name, port):
    """One certificate for name; the chain as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption())
    order = acme.new_order(crypto_util.make_csr(pem, [name]))
    chosen = [body for authz in order.authorizations for body in authz.body.challenges
              if isinstance(body.chall, challenges.HTTP01)]
    response, validation = chosen[0].response_and_validation(acme.net.key)
    resource = standalone.HTTP01RequestHandler.HTTP01Resource(
        chall=chosen[0].chall, response=response, validation=validation)
    servers = standalone.HTTP01DualNetworkedServers(("127.0.0.1", port), {resource})
    try:
        servers.serve_forever()
        acme.answer_challenge(chosen[0], response)
        return acme.poll_and_finalize(order).fullchain_pem
    finally:
        servers.shutdown_and_server_close()


def leaf(chain):
    """The first certificate as the library wants it."""
    return jose.ComparableX509(OpenSSL.crypto.load_certificate(
        OpenSSL.crypto.FILETYPE_PEM, chain.encode()))


def life(directory, folder, name, port):
    """All of one certificate's life."""
    key = jose.JWKRSA(key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    acme = connect(directory, key, jose.RS256)
    account = acme.new_account(messages.NewRegistration.from_data(
        email="noc@example.org", terms_of_service_agreed=True))
    assert account.body.status == "valid", account.body.status
    first = obtain(acme, name, int(port))
    (folder / "first.pem").write_text(first)
    found = acme.query_registration(account)
    assert found.uri == account.uri
    updated = acme.update_registration(account.update(
        body=account.body.update(contact=("mailto:ops@example.org",))))
    assert updated.body.contact == ("mailto:ops@example.org",), updated.body.contact
    chain = obtain(acme, name, int(port))
    (folder / "chain.pem").write_text(chain)
    acme.revoke(leaf(chain), 1)
    acme.deactivate_registration(account)


def revoke(directory, _folder, pem, chain):
    """With the account key of another client."""
    loaded = serialization.load_pem_private_key(pathlib.Path(pem).read_bytes(), None)
    acme = connect(directory, jose.JWKRSA(key=loaded), jose.RS256)
    try:
        acme.new_account(messages.NewRegistration(only_return_existing=True))
    except acme_errors.ConflictError as there:
        acme.net.account = messages.RegistrationResource(uri=there.location,
                                                         body=messages.Registration())
    acme.revoke(leaf(pathlib.Path(chain).read_text()), 4)


if __name__ == "__main__":
    {"life": life, "revoke": revoke}[sys.argv[1]](sys.argv[2], pathlib.Path(sys.argv[3]), *sys.argv[4:])
