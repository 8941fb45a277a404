"""The radiologist API: FastAPI, in Lambda behind API Gateway; identity comes from the gateway's Cognito authorizer."""
