"""The AWS account around the hosts: what Ansible has no fit module for, and the operator's steps that touch no host."""
