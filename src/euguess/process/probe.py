"""Health checks of containers: python -m euguess.process.probe http://127.0.0.1:8000/readyz."""

import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 8.0


def probe(url: str) -> str | None:
    """Return why a GET of the URL does not succeed, or None if it does."""
    try:
        # No proxy for loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=TIMEOUT_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}: {error.read(500).decode(errors='replace')}"
    except OSError as error:
        return f"no answer ({type(error).__name__})"


def main() -> None:
    """Exit with code 1 and the reason on standard output if the check fails."""
    reason = probe(sys.argv[1])
    if reason is not None:
        sys.stdout.write(f"{sys.argv[1]}: {reason}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
