#!/bin/sh
# Creates the namespace that the platform uses, once the server answers.
set -eu

until temporal operator cluster health; do sleep 1; done
temporal operator namespace describe --namespace default ||
  temporal operator namespace create --namespace default --retention 72h
