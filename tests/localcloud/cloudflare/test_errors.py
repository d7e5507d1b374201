"""How an error reads."""

from localcloud.cloudflare import ApiError


def test_an_error_reads_as_message_and_code() -> None:
    error = ApiError(404, 81044, "Record does not exist.")
    assert str(error) == "Record does not exist. (81044)"
    assert error.as_json() == {"code": 81044, "message": "Record does not exist."}


def test_causes_stand_in_the_chain() -> None:
    error = ApiError(400, 6003, "Invalid request headers", chain=[(6111, "Invalid format")])
    assert error.as_json()["error_chain"] == [{"code": 6111, "message": "Invalid format"}]
