"""What a base tree has beside a cloud image's packages."""

from typing import Literal

Variant = Literal["full", "bare", "containers"]
"""`full`: the roles' packages; `bare`: has downloaded them; `containers`: `full`, and a container engine."""
