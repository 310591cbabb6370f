"""Hides secrets in options, messages and reports: passwords, tokens and keys."""

import json
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_WORDS = r"secret|passw|passphrase|pwd|token|credential|connection_?string|process_variables"
# Names of options and variables whose values are secrets. A chaos stage is called "key", so "key"
# alone marks a secret only as the name of an option.
_SECRET = re.compile(rf"{_WORDS}|[_-]key|^key$|[_-]pass$|^pass$", re.IGNORECASE)
_NAME = rf"[\w.-]*(?:{_WORDS}|[_-]key|AccountKey|SharedAccessKey|-Signature)[\w.-]*"
# In a text: `name=value`, as in options and the query of a URL; `"name": "value"`, as in JSON;
# `scheme://user:password@host`.
_ASSIGNED = re.compile(rf"({_NAME}=)[^\s,;&'\"]+", re.IGNORECASE)
_IN_JSON = re.compile(rf"(\"{_NAME}\"\s*:\s*)\"(?:[^\"\\]|\\.)*\"", re.IGNORECASE)
_IN_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*(:[^/\s@]+@)", re.IGNORECASE)


def redact(text: str) -> str:
    """Returns a text without secrets, which are recognized by their names or their place in a URL.

    Example:
      >>> redact("s3://me:hunter2@host/a.txt?access_token=abc&page=2")
      's3://me:***@host/a.txt?access_token=***&page=2'
    """
    for password in set(_IN_URL.findall(text)):  # an error may repeat a part of the URL
        text = text.replace(password, f":{HIDDEN}@")
    text = _IN_JSON.sub(rf'\1"{HIDDEN}"', text)
    return _ASSIGNED.sub(rf"\1{HIDDEN}", text)


def redact_value(name: str, value: Any) -> Any:
    """Returns the value of an option, or of a variable in it, without secrets.

    Args:
      name: the name. If it is that of a secret, the whole value is hidden; so is every variable in
        an ``env``.
      value: text, a number, or any list or mapping of them. JSON in a text is parsed.

    Example:
      >>> redact_value("environment_config", '{"command": "/boot", "env": {"USER": "me"}}')
      '{"command": "/boot", "env": {"USER": "***"}}'
      >>> redact_value("s3_secret_access_key", "hush"), redact_value("top", 3)
      ('***', 3)
    """
    if value is None or isinstance(value, bool):
        return value
    if _SECRET.search(name):
        return HIDDEN
    if isinstance(value, Mapping):
        if name == "env":
            return dict.fromkeys(value, HIDDEN)
        return {key: redact_value(str(key), item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(name, item) for item in value]
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except ValueError:
        return redact(value)
    if not isinstance(parsed, dict):
        return redact(value)
    shown = redact_value(name, parsed)
    return value if shown == parsed else json.dumps(shown, ensure_ascii=False)
