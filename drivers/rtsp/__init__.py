"""Cameras by RTSP: one picture at a time, taken by ffmpeg as a child process."""

from drivers.rtsp.driver import RtspDriver

__all__ = ["RtspDriver"]
