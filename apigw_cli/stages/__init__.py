"""Releases on disk, what differs between two of them, and how one becomes what a stage runs.

contract/       what breaks a client: two OpenAPI descriptions compared, direction by direction
protection      what weakens the gateway: two Snapshots compared, route by route
stage_files     what differs because two stage files do
comparison      all of it together, with its verdict
targets         what the words on the command line mean: stage, release, file, git revision
deployments     a release as it runs in a stage;  workspace  the working files and the store beside them
store           `.apigw/`: releases, pointers, audit log; durable, locked, recovered after a kill
deploy, promotion, rollback, history, released: what the commands do
"""
