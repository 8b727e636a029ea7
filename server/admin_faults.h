/* GET, POST, PUT and DELETE /faults, DELETE /faults/{id}: rows of the table in admin.c. */
#pragma once

#include "server/admin.h"

admin_handler admin_faults_show, admin_faults_add, admin_faults_replace, admin_faults_remove,
    admin_faults_clear;
