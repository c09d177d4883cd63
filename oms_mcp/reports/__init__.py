"""How does a report become a page that opens in any browser, offline and without scripts?"""
