"""The command that asks the model server what the dashboard asked it."""

from urllib.parse import urlsplit

TOKEN = "EUGUESS_INFERENCE_TOKEN"
PUBLISHED_URL = "http://127.0.0.1:8703"  # of the containers, on the machine that runs them
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONTAINER_KEYS = "docker compose exec -T inference cat /run/tokens/inference.json"


def predict_command(url: str, views: int) -> str:
    """Ask about 1..8 photos; the token stays in a variable."""
    head = f'curl -H "Authorization: Bearer ${TOKEN}"'
    if views == 1:
        body = '-H "Content-Type: image/jpeg" --data-binary @photo1.jpg'
    else:
        body = " ".join(f"-F view{n}=@photo{n}.jpg" for n in range(1, views + 1))
    return f"{head} \\\n  {body} \\\n  {reachable(url)}/predictions/euguess"


def token_command(url: str, key_file: str | None) -> str:
    """Put the token of TorchServe, which is new at each of its starts, into the variable."""
    keys = f"cat {key_file}" if key_file and is_local(url) else CONTAINER_KEYS
    read = """python3 -c 'import json, sys; print(json.load(sys.stdin)["inference"]["key"])'"""
    return f"export {TOKEN}=$({keys} | {read})"


def is_local(url: str) -> bool:
    """Whether people reach the model server where the dashboard does."""
    return urlsplit(url).hostname in LOOPBACK


def reachable(url: str) -> str:
    """Where people reach it: names of containers mean nothing outside of them."""
    return url.rstrip("/") if is_local(url) else PUBLISHED_URL
