// Package services holds only tests: chaim with object stores and token services that others have written, run as processes
// of their own. They need Linux, Debian's awscli and python3-boto3, the build tag "services", and in the environment
// CHAIM_MINIO, the path of the program minio. CHAIM_MOTO_PYTHON names a Python that has moto[server]; without it, python3.
package services
