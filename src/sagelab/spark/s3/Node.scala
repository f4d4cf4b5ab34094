package org.apache.spark.deploy

import org.apache.spark.{SecurityManager, SparkConf}
import org.apache.spark.deploy.master.Master
import org.apache.spark.deploy.worker.Worker
import org.apache.spark.launcher.JavaModuleOptions

/** One host of Spark's own cluster manager, all in one Java: ADDRESS PORT MASTER CORES MEMORY_MB FOLDER [lead].
  *
  * MASTER: the address of the host whose node leads. It says `ready` once its worker is there.
  */
object SagelabNode {
  def main(words: Array[String]): Unit = {
    val Array(address, port, master, cores, memory, folder) = words.take(6)
    val conf = new SparkConf(loadDefaults = true)
    if (words.drop(6).contains("lead")) Master.startRpcEnvAndEndpoint(address, port.toInt, 0, conf)
    val masters = Array(s"spark://$master:$port")
    val worker = Worker.startRpcEnvAndEndpoint(address, 0, 0, cores.toInt, memory.toInt, masters, folder, conf = conf)
    println("ready")
    Console.flush()
    worker.awaitTermination()
  }
}

/** What Spark wants of every Java. */
object SagelabJavaOptions {
  def main(words: Array[String]): Unit = println(JavaModuleOptions.defaultModuleOptions())
}
