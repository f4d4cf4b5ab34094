package org.apache.spark.deploy

import org.apache.spark.{SecurityManager, SparkConf}
import org.apache.spark.deploy.master.Master
import org.apache.spark.deploy.worker.Worker
import org.apache.spark.launcher.JavaModuleOptions

/** One host of Spark's own cluster manager, all in one Java: ADDRESS PORT MASTER CORES MEMORY_MB FOLDER ROLE.
  *
  * MASTER: the address of the host whose node leads. ROLE: master, worker or both. It says `ready` once it is there.
  */
object SagelabNode {
  def main(words: Array[String]): Unit = {
    val Array(address, port, master, cores, memory, folder) = words.take(6)
    val conf = new SparkConf(loadDefaults = true)
    val role = words(6)
    def lead() = Master.startRpcEnvAndEndpoint(address, port.toInt, 0, conf)._1
    def work() = Worker.startRpcEnvAndEndpoint(
      address, 0, 0, cores.toInt, memory.toInt, Array(s"spark://$master:$port"), folder, conf = conf)
    val leading = if (role == "worker") None else Some(lead())
    val last = if (role == "master") leading.get else work()
    println("ready")
    Console.flush()
    last.awaitTermination()
  }
}

/** What Spark wants of every Java. */
object SagelabJavaOptions {
  def main(words: Array[String]): Unit = println(JavaModuleOptions.defaultModuleOptions())
}
