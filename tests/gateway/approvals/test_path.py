"""A call from the model's wish to the card that says what it has cost."""

from tests.gateway.approvals.house import ANN, BEN, DAN, House


async def test_a_paid_call_goes_the_whole_way(house: House) -> None:
    """Asked, pressed, run as stored, settled, told to the model, written on the card."""
    card = await house.asks('paid {"text":"go","minutes":2}')
    print(house.texts())
    print(list(card.buttons))
    print(await house.press("Approve once", author=ANN))
    print(house.texts())
    print(house.tools["paid"].ran, await house.calls(), await house.held(), await house.settled())
