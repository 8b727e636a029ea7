"""NFs that keep their connection to the client and renew over it, again and again.

usage: client_kept.py API TRUST.pem RENEWALS NF-DIR...   (each with nf.pem, nf.key, nf.json, cca.jwt, one.der)
"""
import http.client
import json
import os
import ssl
import sys
import threading
import urllib.parse

api, trust, renewals = urllib.parse.urlparse(sys.argv[1]), sys.argv[2], int(sys.argv[3])
done, failures = [], []


def ask(connection, method, path, headers, body, wanted):
    connection.request(method, path, body=body, headers={"Prefer": "wait=30", **headers})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != wanted:
        raise RuntimeError(f"{method} {path}: {answer.status} {text[:200]!r}")
    return answer.headers.get("Location"), text


def certified(connection, location, csr):
    path = urllib.parse.urlparse(location).path
    ask(connection, "PUT", path + "/csr", {"Content-Type": "application/pkcs10"}, csr, 200)
    return path


def life(folder):
    def read(name):
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()
    context = ssl.create_default_context(cafile=trust)
    context.load_cert_chain(os.path.join(folder, "nf.pem"), os.path.join(folder, "nf.key"))
    connection = http.client.HTTPSConnection(api.hostname, api.port, context=context)
    credentials = {"3gpp-Sbi-Client-Credentials": read("cca.jwt").decode().strip()}
    csr = read("one.der")
    try:
        location, _ = ask(connection, "POST", "/nacme-enrolment/v1/enrolments",
                          {**credentials, "Content-Type": "application/json"}, read("nf.json"), 201)
        path = certified(connection, location, csr)
        ready.wait()
        for _ in range(renewals):
            location, _ = ask(connection, "POST", path + "/renewals", credentials, b"", 201)
            path = certified(connection, location, csr)
            done.append(1)
    except (RuntimeError, OSError, http.client.HTTPException, threading.BrokenBarrierError) as error:
        failures.append(f"{folder}: {error}")
        ready.abort()


def begin():
    print("ready", flush=True)  # every NF has its first certificate and waits
    sys.stdin.readline()


ready = threading.Barrier(len(sys.argv) - 4, action=begin)
threads = [threading.Thread(target=life, args=(folder,)) for folder in sys.argv[4:]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for failure in failures:
    print(failure, file=sys.stderr)
print(json.dumps({"renewed": len(done)}))
sys.exit(1 if failures else 0)
