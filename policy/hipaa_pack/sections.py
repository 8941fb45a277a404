"""Groups of sections of 45 CFR 164 that many rules share."""

ACCESS = ("164.308(a)(3)(i)", "164.308(a)(4)(ii)(A)", "164.308(a)(4)(ii)(C)", "164.312(a)(1)")
NETWORK = (*ACCESS, "164.312(e)(1)")
ENCRYPTION = ("164.312(a)(2)(iv)", "164.312(e)(2)(ii)")
TRANSMISSION = ("164.312(a)(2)(iv)", "164.312(e)(1)", "164.312(e)(2)(i)", "164.312(e)(2)(ii)")
AUDIT = ("164.312(b)",)
LOGGING = ("164.308(a)(3)(ii)(A)", "164.312(b)")
INTEGRITY = ("164.312(c)(1)", "164.312(c)(2)")
BACKUP = ("164.308(a)(7)(i)", "164.308(a)(7)(ii)(A)", "164.308(a)(7)(ii)(B)")
RETENTION = ("164.316(b)(2)(i)",)
MINIMUM_NECESSARY = ("164.502(b)", "164.514(d)")
AUTHENTICATION = ("164.312(d)",)
