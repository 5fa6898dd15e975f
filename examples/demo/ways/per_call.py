"""The first way: a process per call. The package is loaded anew for each."""

import sys

if sys.argv[1] == "ipgeo":
    import GeoIP

    print(GeoIP.new(GeoIP.GEOIP_STANDARD).country_code_by_addr(sys.argv[2]))
else:
    import logging

    import jieba

    jieba.setLogLevel(logging.ERROR)
    print("/".join(jieba.cut(sys.argv[2])))
