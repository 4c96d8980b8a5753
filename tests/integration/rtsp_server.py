"""A camera: H.264 over RTSP with a name and a password, by GStreamer. A process of its own, for the system's Python.

/usr/bin/python3 rtsp_server.py basic|digest USER PASSWORD     prints its port
/live is the stream, /dark gives nothing, /jpeg is no H.264, /once has a single key frame
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

PICTURE = "videotestsrc is-live=true pattern=smpte ! video/x-raw,width=640,height=360,framerate=10/1"
LIVE = f"( {PICTURE} ! x264enc tune=zerolatency key-int-max=10 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 )"
JPEG = f"( {PICTURE},format=I420 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )"
ONCE = (
    f"( {PICTURE} ! x264enc tune=zerolatency key-int-max=100000 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 )"
)
DARK = f"( {PICTURE} ! valve drop=true ! x264enc ! rtph264pay name=pay0 pt=96 )"


def main(method: str, user: str, password: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")
    server.set_auth(make_auth(method, user, password))
    for path, launch in (("/live", LIVE), ("/dark", DARK), ("/jpeg", JPEG), ("/once", ONCE)):
        factory = GstRtspServer.RTSPMediaFactory.new()
        factory.set_launch(launch)
        factory.set_shared(True)
        permissions = GstRtspServer.RTSPPermissions.new()
        for right in ("media.factory.access", "media.factory.construct"):
            permissions.add_permission_for_role("viewer", right, True)
        factory.set_permissions(permissions)
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def make_auth(method: str, user: str, password: str) -> "GstRtspServer.RTSPAuth":
    auth, token = GstRtspServer.RTSPAuth.new(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    return auth


if __name__ == "__main__":
    main(*sys.argv[1:4])
