"""What every Lambda function and the radiologist API share.

Import the module you need (``lambda_shared.tracking``); this package imports nothing by itself, because a cold start
pays for every import.
"""
