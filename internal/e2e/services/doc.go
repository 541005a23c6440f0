// Package services holds tests only. They use chaim with MinIO and moto, an object store and a token service that run as
// processes of their own. They need Linux, Debian's awscli and python3-boto3, and the build tag "services". In the
// environment, CHAIM_MINIO is the path of the program minio, and CHAIM_MOTO_PYTHON that of a Python with moto[server], by
// default python3.
package services
