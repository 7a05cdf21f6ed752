"""A web service that greets."""

from flask import Flask

app = Flask(__name__)


@app.get("/<name>")
def greet(name: str) -> dict[str, str]:
    """Greet whoever the path names."""
    return {"hello": name}
