"""Reads the code of a checkpoint out of a photograph, for phones whose browser cannot."""

import asyncio
import io

import zxingcpp
from PIL import Image

from hub.errors import Refused
from hub.media.picture import Picture
from modules.patrol.codes import CodeBook

_QR = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
_BINARIZERS = (zxingcpp.Binarizer.LocalAverage, zxingcpp.Binarizer.GlobalHistogram)


async def read_code(picture: Picture, book: CodeBook) -> str:
    """The community's own code in a picture, whatever other codes are beside it.

    Refused(422): `no_code`, or what `book` says of the first one when none is ours.
    """
    return _own(await asyncio.to_thread(codes_in, picture.body), book)


def codes_in(jpeg: bytes) -> list[str]:
    """What the QR codes of a picture say: turned, slanted, small or blurred ones too."""
    image = Image.open(io.BytesIO(jpeg)).convert("L")
    for binarizer in _BINARIZERS:
        found = zxingcpp.read_barcodes(image, formats=_QR, binarizer=binarizer)
        if texts := [one.text for one in found if one.text]:
            return texts
    return []


def _own(texts: list[str], book: CodeBook) -> str:
    refused = Refused("no_code", "no QR code was found in the photograph", 422)
    for number, text in enumerate(texts):
        code = text.rpartition("#")[2]
        try:
            book.read(code)
        except Refused as error:
            refused = error if number == 0 else refused
        else:
            return code
    raise refused
