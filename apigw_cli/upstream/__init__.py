"""The sample upstream: a small, fast HTTP/1.1 server to develop, demonstrate and measure a gateway against."""
