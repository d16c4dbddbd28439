"""From an OpenID provider's claims to a person with a role, or to a sentence that says why they are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.errors import AccessDenied
from core.person import Person, Role
from core.settings import Settings

EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,200}")


def person_of(claims: Mapping[str, Any], settings: Settings) -> Person:
    """The person whom the claims of a verified ID token describe, with the highest role that applies.

    Raises AccessDenied for claims without a verified e-mail address, and for a person without a role.
    """
    email = str(claims.get("email") or "").strip().casefold()
    if not EMAIL.fullmatch(email):
        raise AccessDenied.of(
            "sign-in-without-email",
            "your sign-in has no e-mail address, which identifies people here; add the scope email to the sign-in",
        )
    if "email_verified" in claims and claims["email_verified"] not in (True, "true", "True"):
        raise AccessDenied.of(
            "email-not-verified",
            "the address {email} is not verified; confirm it with your sign-in provider, then try again",
            email=email,
        )
    roles = [role for who, role in settings.roles if matches(email, who)]
    roles += _claimed(claims, settings)
    if not roles:
        raise AccessDenied.of(
            "no-role", "{email} has no role here; ask the operator of this Tunedeck for one", email=email
        )
    name = " ".join(str(claims.get("name") or email).split())[:80]
    return Person(email, name, max(roles))


def matches(email: str, who: str) -> bool:
    """Whether an entry of a list of people (an address, *@domain or *) covers this address."""
    if who == "*":
        return True
    return email.rpartition("@")[2] == who[2:] if who.startswith("*@") else email == who


def _claimed(claims: Mapping[str, Any], settings: Settings) -> list[Role]:
    if not settings.role_claim:
        return []
    value: Any = claims
    for part in settings.role_claim.split("."):  # Keycloak: realm_access.roles
        value = value.get(part) if isinstance(value, Mapping) else None
    values = [value] if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
    return [role for given in values for named, role in settings.claim_roles if given == named]
