"""The API's refusals: status, code and message.

Codes and messages follow https://developers.cloudflare.com/fundamentals/api/troubleshooting/,
https://developers.cloudflare.com/dns/manage-dns-records/reference/ and answers quoted in public
issues. A client should decide by status and code, never by the message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .jsonvalue import Json, JsonObject

SAME_NAME_HELP = (
    "https://developers.cloudflare.com/dns/manage-dns-records/troubleshooting/"
    "records-with-same-name/"
)


class ApiError(Exception):
    """A refusal. `cause`, code and message, becomes the `error_chain`."""

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        cause: tuple[int, str] | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Take the parts of the answer; `retry_after` becomes the header of that name."""
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.cause = cause
        self.retry_after = retry_after

    def as_json(self) -> JsonObject:
        """Return the item of the envelope's `errors`."""
        error: dict[str, Json] = {"code": self.code, "message": self.message}
        if self.cause is not None:
            error["error_chain"] = [{"code": self.cause[0], "message": self.cause[1]}]
        return error


@dataclass(frozen=True)
class _Refusal:
    """Makes an ApiError; the details fill the braces of the message."""

    code: int
    message: str
    status: int = 400
    cause: tuple[int, str] | None = None

    def __call__(self, *details: object) -> ApiError:
        return ApiError(self.status, self.code, self.message.format(*details), cause=self.cause)


# Credentials. https://developers.cloudflare.com/fundamentals/api/troubleshooting/
malformed_authorization = _Refusal(
    6003, "Invalid request headers", cause=(6111, "Invalid format for Authorization header")
)
missing_credentials = _Refusal(9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
missing_authorization = _Refusal(1001, 'Missing "Authorization" header')
invalid_access_token = _Refusal(9109, "Invalid access token", 403)
unauthenticated = _Refusal(10000, "Authentication error", 401)
unauthorised = _Refusal(10000, "Authentication error", 403)
no_access = _Refusal(9109, "Unauthorized to access requested resource", 403)
may_not_list_zones = _Refusal(
    0,
    "Actor 'com.cloudflare.api.token.{}' requires permission "
    "'com.cloudflare.api.account.zone.list' to list zones, insufficient permissions",
    403,
)
wrong_location = _Refusal(9109, "Cannot use the access token from location: {}", 403)
invalid_api_token = _Refusal(1000, "Invalid API Token", 401)

# Routes and bodies
no_such_object = _Refusal(
    7003, "Could not route to {}, perhaps your object identifier is invalid?", 404
)
no_such_route = _Refusal(7000, "No route for that URI", 404)
method_not_allowed = _Refusal(10405, "Method not allowed for this authentication scheme", 405)
malformed_json = _Refusal(6007, "Malformed JSON in request body")
wrong_content_type = _Refusal(9207, "Content-type must be application/json.")
invalid_body = _Refusal(9207, "Request body is invalid. {}")
invalid_query = _Refusal(1004, "Request query is invalid. {}")

# Records. https://developers.cloudflare.com/dns/manage-dns-records/
invalid_name = _Refusal(9000, "DNS name is invalid.")
invalid_type = _Refusal(9001, "DNS record type is invalid.")
proxied_target_refused = _Refusal(9003, "Target {} is not allowed for a proxied record.")
not_proxiable = _Refusal(9004, "This kind of record cannot be proxied.")
invalid_ipv4 = _Refusal(9005, "Content for A record must be a valid IPv4 address.")
invalid_ipv6 = _Refusal(9006, "Content for AAAA record must be a valid IPv6 address.")
invalid_content = _Refusal(9007, "Content for {} record is invalid.")
content_too_long = _Refusal(
    9015, "Record content exceeds the allowed length of 4096 wire format bytes."
)
invalid_ttl = _Refusal(9021, "Invalid TTL. Must be between {} and {} seconds, or 1 for automatic.")
type_is_fixed = _Refusal(9040, "DNS record type cannot be changed. Delete and create it instead.")
batch_too_large = _Refusal(9208, "Batch exceeds the allowed number of {} operations.")
too_many_tags = _Refusal(9300, "DNS record has {} tags, exceeding the quota of {}.")
invalid_tag = _Refusal(9301, "DNS record has an invalid tag.")
comment_too_long = _Refusal(9313, "DNS record comment exceeds the maximum length of {} characters.")
invalid_comment = _Refusal(9314, "DNS record comment contains invalid characters.")
record_not_found = _Refusal(81044, "Record does not exist.", 404)
quota_exceeded = _Refusal(81045, "Record quota exceeded.")
name_taken_for_cname = _Refusal(81053, "An A, AAAA, or CNAME record with that host already exists.")
cname_exists = _Refusal(
    81054,
    f"A CNAME record with that host already exists. For more details, refer to <{SAME_NAME_HELP}>.",
)
ns_exists = _Refusal(81056, "NS records with that host already exist.")
identical_record = _Refusal(81058, "An identical record already exists.")
combined_content_too_long = _Refusal(
    83011, "The combined content of the records of this name and type exceeds 8192 characters."
)

# Origin CA. https://developers.cloudflare.com/ssl/origin-configuration/origin-ca/troubleshooting/
hostname_not_validated = _Refusal(
    1010,
    "Failed to validate requested hostname {}: This zone is either not part of your account, or "
    "you do not have access to it. Please contact support if using a multi-user organization.",
)


def throttled(retry_after: int | None) -> ApiError:
    """Refuse a call beyond the quota.

    https://developers.cloudflare.com/fundamentals/api/reference/limits/
    """
    message = "Please wait and consider throttling your request speed"
    return ApiError(429, 971, message, retry_after=retry_after)
