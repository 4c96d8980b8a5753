"""The plug that brings our protocols to the hub (entry point group `hub.plugins`)."""

from collections.abc import Mapping

from drivers.modbus import ModbusDriver
from drivers.mqtt.driver import MqttDriver
from drivers.rtsp import RtspDriver
from hub.ports import DriverFactory


class DriversPlugin:
    """Offers a driver for each bus protocol of `hub.vocabulary.sites.Bus`."""

    def drivers(self) -> Mapping[str, DriverFactory]:
        return {"modbus": ModbusDriver, "mqtt": MqttDriver, "rtsp": RtspDriver}
