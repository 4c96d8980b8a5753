"""Every way in for people and programs: HTTP, WebSocket, web pages."""
