"""Shell commands that send the dashboard's prediction request to the model server."""

from urllib.parse import urlsplit

TOKEN = "EUGUESS_INFERENCE_TOKEN"
PUBLISHED_URL = "http://127.0.0.1:8703"  # where compose publishes it on the host
LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONTAINER_KEYS = "docker compose exec -T inference cat /run/tokens/inference.json"


def predict_command(url: str, views: int) -> str:
    """Return a curl command for 1..8 photos that reads the token from a variable."""
    head = f'curl -H "Authorization: Bearer ${TOKEN}"'
    if views == 1:
        body = '-H "Content-Type: image/jpeg" --data-binary @photo1.jpg'
    else:
        body = " ".join(f"-F view{n}=@photo{n}.jpg" for n in range(1, views + 1))
    return f"{head} \\\n  {body} \\\n  {user_url(url)}/predictions/euguess"


def token_command(url: str, key_file: str | None) -> str:
    """Return a command that sets the token variable; TorchServe creates a token at each start."""
    keys = f"cat {key_file}" if key_file and is_local(url) else CONTAINER_KEYS
    read = """python3 -c 'import json, sys; print(json.load(sys.stdin)["inference"]["key"])'"""
    return f"export {TOKEN}=$({keys} | {read})"


def is_local(url: str) -> bool:
    """Return True if users reach the model server at the same URL as the dashboard."""
    return urlsplit(url).hostname in LOOPBACK


def user_url(url: str) -> str:
    """Return the URL for users: container names do not resolve outside the containers."""
    return url.rstrip("/") if is_local(url) else PUBLISHED_URL
